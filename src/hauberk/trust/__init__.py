"""What may be believed, and why: identities of bytes, signatures over them, where they lie."""
