"""What a rule does, compiled from its manifest: each action collects instructions in the turn, no more."""
