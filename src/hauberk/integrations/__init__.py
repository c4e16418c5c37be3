"""Bridges to tools that teams use already; composed by the command line."""
