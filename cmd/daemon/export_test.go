package daemon

// What tests look at from outside.
var (
	DecisionsTLS   = decisionsTLS
	NewSecretFiles = newSecretFiles
)

// Read is secretFiles.read.
func (s *secretFiles) Read(name string) (string, error) { return s.read(name) }
