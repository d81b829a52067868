"""Retention at work: what is to be purged and why not, the purge itself, holds and erasures carried out."""
