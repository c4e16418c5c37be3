"""Thin pieces between Hauberk and other people's tools and servers."""
