"""The journal on its way out: RFC 5424 messages to the hospital's collector, over RELP or plain TLS."""
