package main

// Main is the whole program, for scripts to run.
var Main = main

// TryDemo is what serve --demo says to try.
var TryDemo = tryDemo

// Span is a duration as people say it.
var Span = span

// BuildOf is what the version command prints of a binary with this build information.
var BuildOf = buildOf

// TableExample is the decision table of `verdict help decision-tables`.
const TableExample = tableExample

// ExitCodes lists what the program exits with.
func ExitCodes() map[int]string {
	codes := map[int]string{}
	for _, row := range exitMeanings() {
		codes[int(row.status)] = row.meaning
	}
	return codes
}

// NotListening and NotWritable are what serve makes of an address that cannot be opened
// and of a data directory that cannot be written, CheckData tries one, Stopped
// tells why serving ended; Told is what is said of an error.
var (
	NotListening = notListening
	NotWritable  = notWritable
	CheckData    = checkData
	Stopped      = stopped
	WarnReadable = warnReadable
)

func Told(err error) string { return failureOf(err).text() }
