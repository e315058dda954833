package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/sdk/resource"
	"go.opentelemetry.io/otel/sdk/trace"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"

	"github.com/verdict-pdp/verdict/cmd/config"
	"github.com/verdict-pdp/verdict/cmd/daemon"
	"github.com/verdict-pdp/verdict/demo"
	"github.com/verdict-pdp/verdict/disk"
)

// runServe serves until ctx ends. Logs go to log, what a person wants to know next to
// out.
func (c *cli) runServe(ctx context.Context, cfg config.Config) (err error) {
	logger := newLogger(cfg.Log, c.err)
	tracer, err := newTracer(ctx, cfg.Tracing)
	if err != nil {
		return err
	}
	if tracer != nil {
		defer func() {
			if flushed := tracer.Shutdown(context.WithoutCancel(ctx)); flushed != nil {
				logger.Warn("the last traces were not sent", "error", flushed)
			}
		}()
	}
	d, err := startDaemon(ctx, cfg, logger, tracer)
	if err != nil {
		return err
	}
	if err := c.announce(logger, cfg, d); err != nil {
		return errors.Join(err, d.Close())
	}
	err = closing(d.Run(ctx), d.Close())
	return stopped(ctx, c.out, logger, err)
}

// startDaemon makes everything ready to serve, or leaves nothing open.
func startDaemon(ctx context.Context, cfg config.Config, logger *slog.Logger, tracer *trace.TracerProvider) (*daemon.Daemon, error) {
	if err := checkTLS(cfg, time.Now()); err != nil {
		return nil, err
	}
	decisions, admin, err := openListeners(cfg)
	if err != nil {
		return nil, err
	}
	c := daemon.Config{Config: cfg, Logger: logger, Version: buildVersion(), DecisionsListener: decisions, AdminListener: admin}
	if tracer != nil {
		c.Tracer = tracer
	}
	err = checkData(cfg)
	var d *daemon.Daemon
	if err == nil {
		if d, err = daemon.Open(ctx, c); err != nil {
			err = notOpened(cfg, err)
		}
	}
	if err != nil {
		// Open may have closed them, and there is nothing to do about it if it did not.
		decisions.Close()
		admin.Close()
		return nil, err
	}
	return d, nil
}

// stopped tells why serving ended, err or the end of ctx, and with which exit code.
func stopped(ctx context.Context, out io.Writer, logger *slog.Logger, err error) error {
	if err != nil {
		f := *failureOf(err)
		f.message = "serving ended: " + f.message
		if f.fix == "" {
			f.fix = "The lines of the log above say what came before; `verdict serve` starts it again."
		}
		logger.Error("stopped", "error", err, "exit_code", int(f.status))
		// That standard output is gone is no news now.
		fmt.Fprintf(out, "stopped     %s; exit code %d\n", printable(err.Error()), f.status)
		return &f
	}
	why := "it was told to"
	if of := (interruption{}); errors.As(context.Cause(ctx), &of) {
		why = "on " + of.Error()
	}
	logger.Info("stopped", "reason", why, "exit_code", int(exitOK))
	fmt.Fprintf(out, "stopped     %s; exit code %d\n", why, exitOK)
	return nil
}

// closing adds the error of closing to the one that came first; either may be nil.
func closing(first, second error) error {
	if first == nil || second == nil {
		return cmp.Or(first, second)
	}
	return fmt.Errorf("%w; and closing: %w", first, second)
}

func newLogger(c config.Log, w io.Writer) *slog.Logger {
	var level slog.Level
	if err := level.UnmarshalText([]byte(c.Level)); err != nil {
		level = slog.LevelInfo // config.Validate lets only known levels through
	}
	options := &slog.HandlerOptions{Level: level}
	if c.Format == "json" {
		return slog.New(slog.NewJSONHandler(w, options))
	}
	return slog.New(slog.NewTextHandler(w, options))
}

// newTracer sends spans to the configured endpoint, in the background; nil when
// there is none.
func newTracer(ctx context.Context, c config.Tracing) (*trace.TracerProvider, error) {
	if c.OTLPEndpoint == "" {
		return nil, nil
	}
	exporter, err := otlptracehttp.New(ctx, otlptracehttp.WithEndpointURL(tracesURL(c.OTLPEndpoint)))
	if err != nil {
		return nil, fmt.Errorf("tracing to %s: %w", c.OTLPEndpoint, err)
	}
	return trace.NewTracerProvider(
		trace.WithBatcher(exporter),
		trace.WithResource(resource.NewSchemaless(semconv.ServiceName("verdict"), semconv.ServiceVersion(buildVersion()))),
	), nil
}

// tracesURL is where spans go: the URL as it is given, or, when that has no path,
// the path OTLP/HTTP gives traces.
func tracesURL(endpoint string) string {
	u, err := url.Parse(endpoint)
	if err != nil || u.Path != "" && u.Path != "/" {
		return endpoint
	}
	return u.JoinPath("v1", "traces").String()
}

// announce says what serves, where, and where the first keys are, with the demo data
// also what to try.
func (c *cli) announce(logger *slog.Logger, cfg config.Config, d *daemon.Daemon) error {
	b := thisBuild()
	file := cmp.Or(c.configPath(), "no file")
	logger.Info("started", "version", b.Version, "commit", b.Commit, "config", file, "data", cfg.Data,
		"decisions", d.DecisionsURL(), "admin", d.AdminURL(), "token_service", d.TokenIssuer())
	warnReadable(logger, "decisions", d.DecisionsURL())
	warnReadable(logger, "admin", d.AdminURL())
	text := fmt.Sprintf("verdict     %s\nconfig      %s\ndecisions   %s\nadmin       %s\n", b, printable(file), d.DecisionsURL(), d.AdminURL())
	if issuer := d.TokenIssuer(); issuer != "" {
		text += "tokens      " + issuer + "\n"
	}
	keys := unannounced(cfg.Data, d.Written)
	for _, file := range keys {
		text += "new key     " + printable(file) + "\n"
	}
	if cfg.Demo {
		text += "\n" + tryDemo(cfg.Data, d.DecisionsURL(), cfg.TLS.Cert)
	}
	if err := writeAll(c.out, []byte(text)); err != nil || len(keys) == 0 {
		return err
	}
	if err := disk.WriteFile(announced(cfg.Data), nil, 0o600); err != nil {
		logger.Warn("the first keys will be announced again: that they were cannot be noted beside them", "error", err)
	}
	return nil
}

// warnReadable warns of a listener that other machines reach without TLS.
func warnReadable(logger *slog.Logger, listener, address string) {
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "http" || u.Hostname() == "localhost" || net.ParseIP(u.Hostname()).IsLoopback() {
		return
	}
	logger.Warn("a listener is open to other machines without TLS: API keys and tokens cross the wire readable", "listener", listener, "address", address)
}

// announced returns the file that marks the first keys as announced. A start that dies
// before that leaves them to the next one.
func announced(data string) string { return filepath.Join(data, "keys", ".announced") }

// unannounced returns the files of first keys to announce: those made now, or all of them
// while none has been announced.
func unannounced(data string, made []string) []string {
	if len(made) > 0 || fileExists(announced(data)) {
		return made
	}
	for _, id := range []string{"operator", "pep"} {
		if file := filepath.Join(data, "keys", id+".key"); fileExists(file) {
			made = append(made, file)
		}
	}
	return made
}

// tryDemo says what to try with the demo data or, when the data directory lacks
// what that needs, how to get it: a restored one has no keys.
func tryDemo(data, url, cert string) string {
	var lacking string
	if pep := pepKeyFile(data); !fileExists(pep) {
		lacking += fmt.Sprintf("There is no API key at %s to try the demo with. With the server stopped, this makes one:\n\n"+
			"mkdir -p -m 700 %s && %s key create try-it --role decide --offline --data %s --save %s\n\n",
			pep, filepath.Dir(pep), os.Args[0], data, pep)
	}
	if issuer := demo.KeyFile(data); !fileExists(issuer) {
		lacking += fmt.Sprintf("There is no key of the demo issuer at %s to make tokens with.\n"+
			"Copy it from the data directory that this data came from.\n\n", issuer)
	}
	if lacking != "" {
		return lacking
	}
	return tryIt(data, url, cert)
}

func pepKeyFile(data string) string { return filepath.Join(data, "keys", "pep.key") }

func fileExists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// tryIt is two questions to paste into another terminal. They read the key and
// mint the token when they are pasted, so they work for as long as the server runs.
// Over TLS they trust the server's own certificate, which may be self-signed.
func tryIt(data, url, cert string) string {
	way := ""
	if path, ok := strings.CutPrefix(url, "unix:"); ok {
		way, url = "--unix-socket "+path+" ", "http://localhost"
	} else if cert != "" {
		way = "--cacert " + cert + " "
	}
	ask := func(recipient, class string) string {
		return fmt.Sprintf(`curl -s %s%s/v1/decide -H "Authorization: Bearer $(cat %s)" -H 'Content-Type: application/json' -d '{
  "credential": {"token": "'"$(%s demo token mu:user-svc --data %s)"'"},
  "action": {"name": "email.send"},
  "resource": {"type": "service", "id": "svc:email", "properties": {"recipient": "%s", "message_class": "%s"}},
  "context": {"source_ip": "10.4.2.19", "env": "prod"}}'
`, way, url, pepKeyFile(data), os.Args[0], data, recipient, class)
	}
	return "Paste into another terminal, in this folder:\n" +
		"\nMay the user service send Ana her invoice? (allow, and which address to use)\n\n" + ask("u-ana", "invoice.issued") +
		"\nMay it send her marketing? (deny, and why)\n\n" + ask("u-ana", "marketing.news") + "\n"
}
