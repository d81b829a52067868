"""From what the journal tells to what somebody must look at: which causes are alarms, who is told, and how."""
