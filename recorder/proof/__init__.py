"""Proof over the whole store: signed checkpoints, time stamps, anchors, and who verifies by them."""
