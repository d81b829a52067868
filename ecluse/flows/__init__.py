"""The network's side: the broker that opens the way to a device, the flow matrix, and the probe for ways around."""
