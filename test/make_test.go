package test

import (
	"os"
	"os/exec"
	"strings"
	"testing"
)

// TestWithoutCompiler runs what needs a C compiler where there is none: make race goes
// on without the race detector and says so last, .ci/run ends before its first test.
func TestWithoutCompiler(t *testing.T) {
	t.Parallel()
	without := map[string]string{"none by that name": "CC=/nonexistent", "one that fails": "CC=false", "cgo is off": "CGO_ENABLED=0"}
	for name, setting := range without {
		t.Run(name, func(t *testing.T) {
			out, err := inClone(t, setting, "make", "-s", "race", "PACKAGES=./test/tally")
			if err != nil {
				t.Fatalf("make race ended with %v, want it to go on:\n%s", err, out)
			}
			lines := strings.Split(strings.TrimSpace(out), "\n")
			if last := lines[len(lines)-1]; !strings.HasPrefix(last, "NOT RUN: the tests with -race.") || !strings.Contains(last, "needs a C compiler") {
				t.Errorf("the last line is %q, want it to say that the tests were not run with -race, and why", last)
			}
			if !strings.Contains(out, " 0 failed") {
				t.Errorf("make race ran no test:\n%s", out)
			}
		})
	}
	out, err := inClone(t, "CC=/nonexistent", "bash", ".ci/run")
	if err == nil || !strings.Contains(out, "needs a C compiler") || strings.Contains(out, "== lint") {
		t.Errorf(".ci/run ended with %v, want it to fail at once and say that a C compiler is needed:\n%s", err, out)
	}
}

// inClone runs a command at the root of the clone, as a shell there would.
func inClone(t *testing.T, setting, name string, args ...string) (string, error) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Dir = ".."
	for _, variable := range os.Environ() {
		if !strings.HasPrefix(variable, "MAKE") && !strings.HasPrefix(variable, "MFLAGS") {
			cmd.Env = append(cmd.Env, variable)
		}
	}
	cmd.Env = append(cmd.Env, setting)
	out, err := cmd.CombinedOutput()
	return string(out), err
}
