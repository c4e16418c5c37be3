"""Models as images of the Open Container Initiative, signed inside: written, and verified."""
