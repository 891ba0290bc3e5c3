"""Reading requests as each provider would, refusing in its words what it would refuse."""
