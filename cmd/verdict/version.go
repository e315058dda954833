package main

import (
	"cmp"
	"io"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"

	"github.com/verdict-pdp/verdict/ijson"
)

// build is what this binary was made from. Commit and date are empty when it was
// built outside a clone, or with -buildvcs=false.
type build struct {
	Version  string `json:"version"`           // of the module; "devel" when the build has none
	Commit   string `json:"commit,omitempty"`  // in full
	Date     string `json:"date,omitempty"`    // of the commit, RFC 3339
	Modified bool   `json:"modified,omitzero"` // with changes not committed
	Go       string `json:"go"`
	Platform string `json:"platform"`
}

func thisBuild() build {
	info, _ := debug.ReadBuildInfo() // nil in a binary built without modules
	return buildOf(info)
}

// buildOf reads what the go command recorded in a binary; info may be nil.
func buildOf(info *debug.BuildInfo) build {
	b := build{Version: "devel", Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH}
	if info == nil {
		return b
	}
	if v := info.Main.Version; v != "" && v != "(devel)" {
		b.Version = v
	}
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			b.Commit = s.Value
		case "vcs.time":
			b.Date = s.Value
		case "vcs.modified":
			b.Modified = s.Value == "true"
		}
	}
	return b
}

// String is version and commit, for a person.
func (b build) String() string {
	text := b.Version + ", commit " + cmp.Or(b.Commit, "unknown")
	if b.Modified {
		text += " (modified)"
	}
	if b.Date != "" {
		text += " of " + b.Date
	}
	return text
}

func buildVersion() string { return thisBuild().Version }

func newVersion(c *cli) *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print version, commit, date and Go of this binary",
		Args:  takes(0, 0),
		RunE:  func(*cobra.Command, []string) error { return c.printVersion() },
	}
}

// addVersionFlag gives root a flag that does what the version command does. Cobra's
// own flag knows text only.
func addVersionFlag(root *cobra.Command, c *cli) {
	asked := root.Flags().Bool("version", false, "print version, commit, date and Go of this binary")
	help := root.RunE
	root.RunE = func(cmd *cobra.Command, args []string) error {
		if *asked {
			return c.printVersion()
		}
		return help(cmd, args)
	}
}

func (c *cli) printVersion() error {
	b := thisBuild()
	document, err := ijson.Marshal(b)
	if err != nil {
		return err
	}
	return c.print(document, func(w io.Writer) error {
		return say(w, "verdict %s, %s %s", b, b.Go, b.Platform)
	})
}
