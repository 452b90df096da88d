"""Reports: each module measures one thing within what the viewer may see, with its definition beside the figures."""
