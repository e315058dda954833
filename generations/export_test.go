package generations

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// CheckFiles reads state as a state and content as generation 2 of the folder dir, and
// says what is wrong with what was made of them.
func CheckFiles(dir string, content, second []byte) error {
	d := folder{dir: dir}
	for name, bytes := range map[string][]byte{stateFile: content, generationFile(2): second} {
		if err := os.WriteFile(filepath.Join(dir, name), bytes, 0o600); err != nil {
			return err
		}
	}
	s, err := d.readState(stateFile)
	if err == nil && (s.Active >= s.Next || s.Previous >= s.Next || s.Activated == nil || s.Accepted == nil) {
		return fmt.Errorf("a state of %q: %+v", content, s)
	}
	g, err := d.readGeneration(generationFile(2))
	var broken *damage
	if err != nil && !errors.As(err, &broken) && schemaOf(second) <= schema {
		return fmt.Errorf("a generation of %q: %w", second, err)
	}
	if err == nil && (g.Number != 2 || len(g.Bundles) == 0) {
		return fmt.Errorf("a generation of %q: %+v", second, g)
	}
	return nil
}
