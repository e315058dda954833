package main

// exitStatus is what the process exits with, stable for scripts. The package
// comment and `verdict help exit-codes` list them.
type exitStatus int

const (
	exitOK          exitStatus = 0
	exitError       exitStatus = 1
	exitUsage       exitStatus = 2
	exitDeny        exitStatus = 3
	exitNotFound    exitStatus = 4
	exitConflict    exitStatus = 5
	exitForbidden   exitStatus = 6
	exitUnreachable exitStatus = 7
	exitNotFresh    exitStatus = 8
	exitNotRotated  exitStatus = 9
	exitFlips       exitStatus = 10
	exitUnwell      exitStatus = 11
)

// exitMeaning is one row of the list of exit codes.
type exitMeaning struct {
	status  exitStatus
	meaning string
}

func exitMeanings() []exitMeaning {
	return []exitMeaning{
		{exitOK, "done; for decide, every decision is allow"},
		{exitError, "it did not work: an invalid request, a bad line of an import, a refused bundle, a failed policy test, a decision log that is not whole"},
		{exitUsage, "the command line or the configuration cannot be understood; nothing was done"},
		{exitDeny, "decide: a decision is deny; token introspect: the token is not active"},
		{exitNotFound, "there is no such entity, bundle, generation or decision"},
		{exitConflict, "it exists already, or was changed since the revision named"},
		{exitForbidden, "there is no API key or credential, or it is not accepted or lacks the role"},
		{exitUnreachable, "the server cannot be reached or cannot answer now; trying again later may work"},
		{exitNotFresh, "issuer list --check only: an issuer is not fresh"},
		{exitNotRotated, "rotate only: the rotation is not done; nobody watches it any more, or it was aborted"},
		{exitFlips, "replay --fail-on-flip only: a recorded decision would be decided otherwise"},
		{exitUnwell, "status only: something is wrong with the server, and the output says what"},
	}
}
