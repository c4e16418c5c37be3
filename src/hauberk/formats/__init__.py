"""Foreign bytes to bounded, typed views. Nothing foreign runs in our process."""
