"""The two-tier lock (S05): a front before the hospital's network, and a relay inside that dials out to it.

The front holds no key of SSH's, no secret, no database and no route inwards: it takes technicians' connections and
puts their bytes, unread, into connections that the relay has opened beforehand. SSH begins and ends in the gateway.
"""
