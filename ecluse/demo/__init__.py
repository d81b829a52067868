"""The bastion on real devices of its own, to try it and to prove it."""
