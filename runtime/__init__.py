"""Small asyncio tools: clock, mailbox, supervision, backoff, metrics, sd_notify. Imports nothing of ours."""
