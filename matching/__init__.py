"""Who is this about, and why. Pure: same items, same directory, same rules, same answer. Imports nothing of ours."""
