"""The nouns of an intervention: pure, frozen, standard library only."""
