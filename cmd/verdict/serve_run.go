package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/sdk/resource"
	"go.opentelemetry.io/otel/sdk/trace"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"

	"github.com/verdict-pdp/verdict/cmd/config"
	"github.com/verdict-pdp/verdict/cmd/daemon"
	"github.com/verdict-pdp/verdict/demo"
)

// runServe serves cfg until ctx ends. Logs go to log, what a person wants to know
// next to out.
func runServe(ctx context.Context, cfg config.Config, out, log io.Writer) (err error) {
	logger := newLogger(cfg.Log, log)
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
	c := daemon.Config{Config: cfg, Logger: logger, Version: buildVersion()}
	if tracer != nil {
		c.Tracer = tracer
	}
	d, err := daemon.Open(ctx, c)
	if err != nil {
		return err
	}
	if err := welcome(out, cfg, d); err != nil {
		return err
	}
	if err := d.Run(ctx); err != nil {
		logger.Error("serving ended early", "error", err)
		return fmt.Errorf("serving: %w", closing(err, d.Close()))
	}
	return d.Close()
}

// closing adds the error of closing to the one that came first.
func closing(first, second error) error {
	if second == nil {
		return first
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

// welcome says where things are and, with the demo data, what to try.
func welcome(w io.Writer, cfg config.Config, d *daemon.Daemon) error {
	text := fmt.Sprintf("decisions   %s\nadmin       %s\n", d.DecisionsURL(), d.AdminURL())
	if issuer := d.TokenIssuer(); issuer != "" {
		text += "tokens      " + issuer + "\n"
	}
	for _, file := range d.Written {
		text += "new key     " + file + "\n"
	}
	if cfg.Demo {
		text += "\n" + tryDemo(cfg.Data, d.DecisionsURL(), cfg.TLS.Cert)
	}
	_, err := io.WriteString(w, text)
	return err
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
// Over TLS they trust the server's own certificate, which may be signed by nobody.
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
