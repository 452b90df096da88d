/* The pipeline board: dragging and keys. Works by delegation, because pages are swapped without loading scripts anew. */
