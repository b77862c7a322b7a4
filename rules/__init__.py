"""Decision rules as state machines. Pure, like `twins`, which it may import."""
