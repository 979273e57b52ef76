"""jobd: a job server for one's own machine. Nothing is imported here, so that a client starts fast."""

__version__ = "0.1.0"
