package test

import (
	"fmt"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/verdict-pdp/verdict/api"
	"github.com/verdict-pdp/verdict/cmd/config"
	"github.com/verdict-pdp/verdict/test/pdptest"
)

// TestMetricsAreThoseOfTheManual: operators alarm by the table of docs/operating.md. What
// it names is shown, by every room, and nothing is shown that it does not name.
func TestMetricsAreThoseOfTheManual(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	sources := filepath.Join(dir, "sources.yaml")
	if err := os.WriteFile(sources, fmt.Appendf(nil, "sources: [{name: acme, folder: %s}]\n", dir), 0o600); err != nil {
		t.Fatal(err)
	}
	p := pdptest.Start(t, pdptest.Settings{Demo: true, At: sunday, Change: func(c *config.Config) {
		c.TokenService.Issuer, c.TokenService.Service = "https://verdict.brightfold.example", "svc:ours"
		c.DecisionLog.Lines = filepath.Join(dir, "lines")
		c.Bundles.Sources = sources
	}})
	authority := pdptest.NewAuthority(t, "partner")
	p.Register(authority.Issuer())
	asked := pdptest.NewAuthority(t, "ledgerlink")
	p.Put(asked.Introspected())
	p.Ask(invoiceToAna(p.Token("mu:user-svc")))
	p.Ask(invoiceToAna("no.such.token"))

	manual := metricsOfTheManual(t)
	shown := map[string]bool{}
	text := string(p.Call(http.MethodGet, p.AdminURL()+api.PathMetrics, p.Operator(), nil).Body)
	for line := range strings.Lines(text) {
		name, labels, ok := series(line)
		if !ok {
			continue
		}
		shown[name] = true
		for _, label := range labels {
			if row, named := manual[name]; named && !strings.Contains(row, "`"+label+"`") {
				t.Errorf("%s has the label %s, which the manual does not name", name, label)
			}
		}
	}
	if diff := cmp.Diff(slices.Sorted(maps.Keys(manual)), slices.Sorted(maps.Keys(shown))); diff != "" {
		t.Errorf("metrics (-of the manual +shown):\n%s", diff)
	}
}

// metricsOfTheManual are the names in the table of docs/operating.md, each with the labels
// of its row.
func metricsOfTheManual(t *testing.T) map[string]string {
	t.Helper()
	text, err := os.ReadFile("../docs/operating.md")
	if err != nil {
		t.Fatal(err)
	}
	named := regexp.MustCompile("`((?:verdict|\\.\\.\\.)_[a-z_]+)`")
	rows := map[string]string{}
	for line := range strings.Lines(string(text)) {
		if !strings.HasPrefix(line, "| `verdict_") {
			continue
		}
		columns := strings.Split(line, "|")
		for _, found := range named.FindAllStringSubmatch(columns[1], -1) {
			rows[strings.Replace(found[1], "...", "verdict_decision_log", 1)] = columns[1] + columns[2]
		}
	}
	return rows
}

var seriesLine = regexp.MustCompile(`^(verdict_[a-z_]+)(?:\{(.*)\})? \S+$`)

// series reads one line of the metrics: the name of its metric, and its labels. A
// histogram's parts are all of its name.
func series(line string) (name string, labels []string, ok bool) {
	found := seriesLine.FindStringSubmatch(strings.TrimSuffix(line, "\n"))
	if found == nil {
		return "", nil, false
	}
	name = found[1]
	for _, part := range []string{"_bucket", "_sum", "_count"} {
		name = strings.TrimSuffix(name, part)
	}
	for _, label := range regexp.MustCompile(`([a-z_]+)="`).FindAllStringSubmatch(found[2], -1) {
		if label[1] != "le" {
			labels = append(labels, label[1])
		}
	}
	return name, labels, true
}
