"""Other gateways: who they are (`manifest`, `identity`), which are meant (`members`), asking them and being asked.

`door` answers over mutual TLS, `peer` asks, `tls` is what both rest on. They talk HTTP: SQL in JSON, answers as Arrow.
"""
