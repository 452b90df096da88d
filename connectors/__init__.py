"""What the outside sent. Imports nothing of ours, holds no database and no clock but the one given."""
