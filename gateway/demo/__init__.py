"""`gemelo demo`: every part as a process of its own, in one terminal, so that each can be broken and watched."""
