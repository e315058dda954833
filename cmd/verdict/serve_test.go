package main_test

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
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
	var exit *exec.ExitError
	if err := second.Run(); !errors.As(err, &exit) || exit.ExitCode() != 5 {
		t.Errorf("a second server on the same data directory ended with %v, want exit status 5", err)
	}
	want := "verdict: the data directory " + data + " is in use by another Verdict process\n" +
		"  field:   data\n" +
		"  fix:     Stop that process, or choose another directory with --data, $VERDICT_DATA or data of the configuration file.\n"
	if diff := cmp.Diff(want, said.String()); diff != "" {
		t.Errorf("what it says (-want +got):\n%s", diff)
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

// A first start that dies between making the keys and saying where they are leaves that
// to the next one; the one after it says nothing of them.
func TestFirstKeysAreAnnouncedOnce(t *testing.T) {
	data := t.TempDir()
	first := serveCommand("--data", data)
	nobody, out, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := nobody.Close(); err != nil { // so that its first word kills it
		t.Fatal(err)
	}
	first.Stdout = out
	if err := first.Run(); err == nil || !strings.Contains(err.Error(), syscall.SIGPIPE.String()) {
		t.Fatalf("the first start ended with %v, want it killed by its first word", err)
	}
	if err := out.Close(); err != nil {
		t.Fatal(err)
	}
	key := read(t, filepath.Join(data, "keys", "operator.key"))
	both := []string{filepath.Join(data, "keys", "operator.key"), filepath.Join(data, "keys", "pep.key")}
	for _, test := range []struct {
		start string
		want  []string
	}{{"second", both}, {"third", nil}} {
		said := startAndStop(t, "--data", data)
		var got []string
		for line := range strings.Lines(said) {
			if file, ok := strings.CutPrefix(line, "new key "); ok {
				got = append(got, strings.TrimSpace(file))
			}
		}
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("keys that the %s start announces (-want +got):\n%s", test.start, diff)
		}
	}
	if again := read(t, both[0]); again != key {
		t.Error("the key is another one than the first start made; want that one")
	}
}

// TestAnnouncedNamesArePrintable: a name with an escape sequence or a line end in it is no
// way to write to the terminal.
func TestAnnouncedNamesArePrintable(t *testing.T) {
	said := startAndStop(t, "--data", filepath.Join(t.TempDir(), "a\x1b[31m\nnew key b"))
	if want := "a\uFFFD[31m\uFFFDnew key b/keys/pep.key\n"; !strings.Contains(said, want) || strings.Contains(said, "\x1b") {
		t.Errorf("standard output is %q, want %q in it", said, want)
	}
}

// TestKeysThatCannotBeMarked: the folder of the keys may be one that this user cannot
// write to, as it is when the keys are mounted. They are announced again, and served.
func TestKeysThatCannotBeMarked(t *testing.T) {
	data := t.TempDir()
	startAndStop(t, "--data", data)
	keys := filepath.Join(data, "keys")
	if err := os.Remove(filepath.Join(keys, ".announced")); err != nil { // as of a binary that had no such mark
		t.Fatal(err)
	}
	if err := os.Chmod(keys, 0o500); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.Chmod(keys, 0o700) })
	var said, log string
	if err := unprivileged(func() { said, log = stopAfterStart(t, serveCommand("--data", data), syscall.SIGINT) }); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(said, "new key     "+filepath.Join(keys, "pep.key")) {
		t.Errorf("standard output does not announce the keys:\n%s", said)
	}
	if want := `level=WARN msg="the first keys will be announced again`; !strings.Contains(log, want) {
		t.Errorf("the log has nothing like %s:\n%s", want, log)
	}
}

// It says what it is, where, and why it stops, to a person and in the log.
func TestServeSaysWhatItIsAndWhyItStops(t *testing.T) {
	data, file := t.TempDir(), filepath.Join(t.TempDir(), "verdict.yaml")
	if err := os.WriteFile(file, []byte("log: {format: json}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		args   []string
		signal syscall.Signal
		want   []string // of standard output
		log    []string // of its first and last lines
	}{
		{[]string{"--data", data}, syscall.SIGINT, []string{`(?m)^verdict     \S+, commit `, `(?m)^config      no file$`, `(?m)^decisions   http://127`, `(?m)^admin       http://127`, `\nstopped     on SIGINT; exit code 0\n$`},
			[]string{`msg=started version=\S+ commit=\S* config="no file" data=\S+ decisions=http://\S+ admin=http://\S+`, `level=INFO msg=stopped reason="on SIGINT" exit_code=0\n$`}},
		{[]string{"--data", data, "--config", file}, syscall.SIGTERM, []string{`(?m)^config      ` + regexp.QuoteMeta(file) + `$`, `\nstopped     on SIGTERM; exit code 0\n$`},
			[]string{`"msg":"started".*"config":"` + regexp.QuoteMeta(file) + `"`, `"msg":"stopped","reason":"on SIGTERM","exit_code":0}\n$`}},
	} {
		cmd := serveCommand(test.args...)
		out, log := stopAfterStart(t, cmd, test.signal)
		for _, want := range test.want {
			if !regexp.MustCompile(want).MatchString(out) {
				t.Errorf("standard output has nothing like %s:\n%s", want, out)
			}
		}
		for _, want := range test.log {
			if !regexp.MustCompile(want).MatchString(log) {
				t.Errorf("the log has nothing like %s:\n%s", want, log)
			}
		}
	}
}

// What failed while it served is told to a person twice, as it ends, and in the log.
func TestServeSaysWhatFailed(t *testing.T) {
	var out, log bytes.Buffer
	err := verdict.Stopped(t.Context(), &out, slog.New(slog.NewTextHandler(&log, nil)), errors.New("room store: the disk is gone"))
	for name, test := range map[string]struct{ got, want string }{
		"standard output": {out.String(), "stopped     room store: the disk is gone; exit code 1\n"},
		"standard error": {verdict.Told(err), "verdict: serving ended: room store: the disk is gone\n" +
			"  fix:     The lines of the log above say what came before; `verdict serve` starts it again.\n"},
	} {
		if diff := cmp.Diff(test.want, test.got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	if want := `level=ERROR msg=stopped error="room store: the disk is gone" exit_code=1`; !strings.Contains(log.String(), want) {
		t.Errorf("the log has %s, want %s", &log, want)
	}
}

func read(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// startAndStop is all that a server says from its start to its end.
func startAndStop(t *testing.T, args ...string) string {
	t.Helper()
	out, _ := stopAfterStart(t, serveCommand(args...), syscall.SIGINT)
	return out
}

// stopAfterStart runs serve, stops it with a signal when it serves, and returns what it
// said on standard output and in its log.
func stopAfterStart(t *testing.T, serve *exec.Cmd, signal syscall.Signal) (out, log string) {
	t.Helper()
	var logged bytes.Buffer
	serve.Stderr = &logged
	pipe, err := serve.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := serve.Start(); err != nil {
		t.Fatal(err)
	}
	var said bytes.Buffer
	lines := bufio.NewReader(io.TeeReader(pipe, &said))
	if address(lines, "admin") == "" {
		t.Errorf("serve does not say where it listens:\n%s%s", &said, &logged)
	}
	send(t, serve, signal)
	if _, err := io.Copy(io.Discard, lines); err != nil {
		t.Fatal(err)
	}
	if err := serve.Wait(); err != nil {
		t.Errorf("serve ended with %v, want exit status 0", err)
	}
	return said.String(), logged.String()
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

// address reads up to a line "name   URL"; empty when there is none.
func address(lines *bufio.Reader, name string) string {
	for {
		line, err := lines.ReadString('\n')
		if err != nil {
			return ""
		}
		if url, ok := strings.CutPrefix(line, name+" "); ok {
			return strings.TrimSpace(url)
		}
	}
}

// TestListenersThatOtherMachinesCanRead: a start warns of them.
func TestListenersThatOtherMachinesCanRead(t *testing.T) {
	for address, want := range map[string]bool{
		"http://127.0.0.1:8181": false, "http://[::1]:8181": false, "http://localhost:8181": false, "unix:/run/v.sock": false,
		"https://[::]:8181": false, "http://[::]:8181": true, "http://0.0.0.0:8181": true, "http://10.4.2.19:8181": true, "http://verdict.example": true,
	} {
		var log bytes.Buffer
		verdict.WarnReadable(slog.New(slog.NewTextHandler(&log, nil)), "decisions", address)
		if got := strings.Contains(log.String(), "level=WARN") && strings.Contains(log.String(), address); got != want {
			t.Errorf("%s: the log is %q; want a warning: %t", address, log.String(), want)
		}
	}
}
