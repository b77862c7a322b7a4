"""The process: command line, configuration, composition root, sequencer, health. Knows all packages."""
