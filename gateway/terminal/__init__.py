"""What commands share: asking a gateway that runs, and showing what it answers to a person or to a program."""
