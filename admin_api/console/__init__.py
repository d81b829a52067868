"""The hospital's pages: a person enrols, or mends what she has lost, in her browser; with or without JavaScript."""
