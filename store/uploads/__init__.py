"""Data of the box as objects in a store far away (S3, Azure, GCS, a folder): who may leave, when, in which form.

    manifest, selection, schedule   what people write, and what it means; pure
    ledger, work                    which rows of which segments are up, and which are to go: each row once
    objects, thinning, aligning     rows of segments as Parquet objects (loads pyarrow)
    envelope                        AES-256-GCM around an object (loads cryptography)
    destination, pace               the way out, no faster than it may be (loads obstore)
    uploader, uploads               one upload at work, and all of them

A segment that was made of others says nothing of which of its rows are up. So each segment of which rows were sent is
held by a second name until what took its place is known; what the new one has beyond it becomes a rest, a small file
that is sent as a segment is. Nothing is sent twice, whatever is merged meanwhile, and nothing is left out.

Only `uploads` is imported by a gateway without uploads; all libraries are loaded by the first one that sends.
"""
