"""The decision: pure functions of a request, the facts and an instant.

Every rule answers with a finding, held or failed; a grant needs all of them to hold. In gate order:

====== ===================================== ==============================================================
Code   Module                                What is looked at
====== ===================================== ==============================================================
E4     ``rules.supplier``                    the person has a supplier (internal ones are registered too),
                                             and it is active: suspending it is the answer to its incidents
C2     ``rules.supplier``                    the source address belongs to a site the supplier declared
E2     ``rules.person``                      where it is agreed: no live session of the person comes from
                                             another source
E3     ``rules.person``                      a named person of this hospital, active, with the technician's
                                             role
S35    ``rules.person``                      what was proved at log-in is a row of the hospital's table of
                                             factors (HAS criterion 3.6-06, "identification double
                                             facteur"), of the level that device and window demand
T1     ``rules.device``                      the device exists and is not isolated: the bastion is its only
                                             way in
T2     ``rules.device``                      its admin-network zone is known, so that there is an address to
                                             dial from
T5     ``rules.device``                      a host key was compared and pinned: authentication is mutual on
                                             the device's leg too (our reading: the text speaks of the outer
                                             leg)
T9     ``rules.device``                      one dedicated account is meant; it exists, is active, and its
                                             secret, unique, is in the vault
X09    ``rules.device``                      each weakness of an old device is covered by a derogation in
                                             force: insecure protocols only so (ANSSI PA-022 R24)
O3     ``rules.window``                      an approved window, open now, names the person, the device and
                                             the account, and allows some channel
E9     ``rules.window``                      its intervention is the supplier's and is neither waiting, on
                                             hold nor closed
T10    ``rules.window``                      an idle delay was agreed (and a ceiling, where output counts)
X35    ``rules.limits``                      no cut reaches the session (NIST AC-17(9)); the person's sessions
                                             are fewer than her limit (AC-10)
====== ===================================== ==============================================================

Codes of a letter among A, C, E, O and T are rules of the PGSSI-S guide; S and X ones are our numbers for
requirements of other texts, named above.
"""
