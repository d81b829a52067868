"""The factors by which a person proves who they are; each check raises."""
