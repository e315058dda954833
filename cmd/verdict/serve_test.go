package main_test

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/testscript"

	verdict "github.com/verdict-pdp/verdict/cmd/verdict"
)

// TestServe starts the real server with the demo data, as an operator would, for
// each of the scripts of testdata/serve, and runs it against that.
func TestServe(t *testing.T) {
	scripts, err := filepath.Glob("testdata/serve/*.txtar")
	if err != nil || len(scripts) == 0 {
		t.Fatalf("%d scripts, %v", len(scripts), err)
	}
	for _, script := range scripts {
		t.Run(strings.TrimSuffix(filepath.Base(script), ".txtar"), func(t *testing.T) { serveScript(t, script) })
	}
}

func serveScript(t *testing.T, script string) {
	data := t.TempDir()
	decisions, admin := startServer(t, "--demo", "--data", data)
	testscript.Run(t, testscript.Params{
		Files:               []string{script},
		RequireExplicitExec: true,
		Setup: func(env *testscript.Env) error {
			env.Setenv("VERDICT_SERVER", decisions)
			env.Setenv("VERDICT_ADMIN_SERVER", admin)
			env.Setenv("VERDICT_DATA", data)
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"exits": exitsCommand, "retry": retryCommand},
	})
}

// retryCommand is retry TEXT STATUS COMMAND ARG...: as exits, and as long as the answer
// has the text, again.
func retryCommand(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 3 {
		ts.Fatalf("usage: retry TEXT STATUS COMMAND ARG...")
	}
	for {
		exitsCommand(ts, false, args[1:])
		if !strings.Contains(ts.ReadFile("stdout"), args[0]) {
			return
		}
	}
}

// A second server on a data directory is refused, and told which.
func TestServeHoldsItsDirectory(t *testing.T) {
	data := t.TempDir()
	startServer(t, "--data", data)
	second := serveCommand("--data", data)
	var said bytes.Buffer
	second.Stderr = &said
	if err := second.Run(); err == nil {
		t.Fatal("a second server runs on the same data directory")
	}
	if !strings.Contains(said.String(), data) {
		t.Errorf("it does not name the directory: %s", said.String())
	}
}

// What was restored is served: the same data, revision and API keys.
func TestRestoredDataIsServed(t *testing.T) {
	old, restored, file := t.TempDir(), filepath.Join(t.TempDir(), "new"), filepath.Join(t.TempDir(), "backup")
	_, admin := startServer(t, "--demo", "--data", old)
	read := func(admin string) string {
		return verdictOutput(t, "entity", "list", "machine_users", "--all", "--output", "json", "--data", old, "--server", admin)
	}
	before := read(admin)
	verdictOutput(t, "backup", file, "--data", old, "--server", admin)
	verdictOutput(t, "restore", file, "--data", restored)
	_, admin = startServer(t, "--data", restored)
	if diff := cmp.Diff(before, read(admin)); diff != "" {
		t.Error(diff)
	}
}

// A key written while the server was stopped is accepted when it runs again.
func TestOfflineKeyIsAccepted(t *testing.T) {
	data, key := t.TempDir(), filepath.Join(t.TempDir(), "ops.key")
	t.Run("first start", func(t *testing.T) { startServer(t, "--data", data) })
	verdictOutput(t, "key", "create", "ops", "--role", "operate", "--offline", "--data", data, "--save", key)
	_, admin := startServer(t, "--data", data)
	if list := verdictOutput(t, "key", "list", "--key-file", key, "--server", admin); !strings.Contains(list, " ops ") {
		t.Errorf("the key is not listed:\n%s", list)
	}
}

// The first signal lets serve finish, the second ends it at once; also where a
// script started it in the background, which ignores interrupts.
func TestSecondSignalEndsServeAtOnce(t *testing.T) {
	for _, signal := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM} {
		for name, script := range map[string]string{"foreground": `exec "$@"`, "background": `trap "" INT; exec "$@"`} {
			t.Run(signal.String()+" "+name, func(t *testing.T) {
				t.Parallel()
				serve := serveCommand("--data", t.TempDir(), "--http-drain-delay", "5m")
				cmd := exec.Command("sh", append([]string{"-c", script, "sh"}, serve.Args...)...)
				out, err := cmd.StdoutPipe()
				if err != nil {
					t.Fatal(err)
				}
				if err := cmd.Start(); err != nil {
					t.Fatal(err)
				}
				timeout := time.AfterFunc(5*time.Minute, func() { cmd.Process.Kill() })
				defer timeout.Stop()
				decisions := address(bufio.NewReader(out), "decisions")
				send(t, cmd, signal)
				awaitDraining(t, decisions)
				send(t, cmd, signal)
				var exit *exec.ExitError
				if err := cmd.Wait(); !errors.As(err, &exit) || exit.ExitCode() != 128+int(signal) {
					t.Errorf("serve ended with %v, want exit status %d", err, 128+int(signal))
				}
			})
		}
	}
}

func send(t *testing.T, to *exec.Cmd, signal os.Signal) {
	t.Helper()
	if err := to.Process.Signal(signal); err != nil {
		t.Fatal(err)
	}
}

// awaitDraining asks until the server says that it is shutting down.
func awaitDraining(t *testing.T, server string) {
	t.Helper()
	for {
		answer, err := http.Get(server + "/readyz")
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(answer.Body)
		answer.Body.Close()
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(body, []byte("shutting_down")) {
			return
		}
	}
}

// What to paste is shown when it would work; else what the directory lacks.
func TestTryDemo(t *testing.T) {
	paste, noKey, noIssuer := "curl -s http://here/v1/decide", "key create try-it --role decide --offline", "no key of the demo issuer"
	for name, test := range map[string]struct {
		has  []string
		want []string
	}{
		"first start":  {[]string{"keys/pep.key", "demo/issuer.key"}, []string{paste}},
		"restored":     {nil, []string{noKey, noIssuer}},
		"keys only":    {[]string{"keys/pep.key"}, []string{noIssuer}},
		"without keys": {[]string{"demo/issuer.key"}, []string{noKey}},
	} {
		t.Run(name, func(t *testing.T) {
			data := t.TempDir()
			for _, file := range test.has {
				path := filepath.Join(data, file)
				if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(path, nil, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			text := verdict.TryDemo(data, "http://here", "")
			for _, part := range []string{paste, noKey, noIssuer} {
				if got, want := strings.Contains(text, part), slices.Contains(test.want, part); got != want {
					t.Errorf("says %q: %v, want %v", part, got, want)
				}
			}
		})
	}
}

// verdictOutput runs a command that must do what it is asked.
func verdictOutput(t *testing.T, args ...string) string {
	t.Helper()
	cmd := exec.Command("verdict", args...)
	var said bytes.Buffer
	cmd.Stderr = &said
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("verdict %s: %v\n%s", strings.Join(args, " "), err, said.String())
	}
	return string(out)
}

// serveCommand takes free ports, and gives policies the time that the race
// detector on a busy machine needs.
func serveCommand(args ...string) *exec.Cmd {
	return exec.Command("verdict", append([]string{"serve", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0", "--engine-timeout", "5s"}, args...)...)
}

// startServer runs `verdict serve` on free ports until the test ends, and holds
// it to ending well when interrupted.
func startServer(t *testing.T, args ...string) (decisions, admin string) {
	t.Helper()
	cmd := serveCommand(args...)
	var log bytes.Buffer
	cmd.Stderr = &log
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewReader(out)
	decisions, admin = address(lines, "decisions"), address(lines, "admin")
	rest := make(chan error, 1)
	go func() {
		_, err := io.Copy(io.Discard, lines) // so that it never waits for us to read
		rest <- err
	}()
	t.Cleanup(func() {
		if err := cmd.Process.Signal(os.Interrupt); err != nil {
			t.Error(err)
		}
		if err := <-rest; err != nil {
			t.Error(err)
		}
		if err := cmd.Wait(); err != nil {
			t.Errorf("serve ended with %v\n%s", err, log.String())
		}
	})
	if decisions == "" || admin == "" {
		t.Fatalf("serve does not say where it listens:\n%s", log.String())
	}
	return decisions, admin
}

// address reads a line "name   URL"; empty when it is another one.
func address(lines *bufio.Reader, name string) string {
	line, err := lines.ReadString('\n')
	url, ok := strings.CutPrefix(line, name+" ")
	if err != nil || !ok {
		return ""
	}
	return strings.TrimSpace(url)
}
