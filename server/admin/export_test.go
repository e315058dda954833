package admin

// PreferredWait is how long a Prefer header asks to wait.
var PreferredWait = preferredWait
