package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/cmd/config"
)

// cli is one invocation of the command line: what it may touch of the world, and
// the flags every command has.
type cli struct {
	in       io.Reader
	out, err io.Writer
	environ  []string // "NAME=value", the last of a name wins
	now      func() time.Time

	output     format
	configFile string
	started    bool // a command was found, its flags and arguments are good
}

// run executes args and returns the status to exit with. Whatever went wrong has
// then been written to c.err.
func (c *cli) run(ctx context.Context, args []string) exitStatus {
	root := newRoot(c)
	root.SetArgs(args)
	root.SetIn(c.in)
	root.SetOut(c.out)
	root.SetErr(c.err)
	cmd, err := root.ExecuteContextC(ctx)
	if err == nil {
		return exitOK
	}
	if !c.started {
		c.output = wantedFormat(args)
		err = c.misused(cmd, err)
	}
	f := failureOf(err)
	f.write(c.err, c.output)
	return f.status
}

// wantedFormat is the format args ask for, whatever else is wrong with them:
// flags that come after one at fault have not been read.
func wantedFormat(args []string) format {
	wanted := formatText
	reader := &cobra.Command{FParseErrWhitelist: cobra.FParseErrWhitelist{UnknownFlags: true}}
	reader.Flags().VarP(&wanted, "output", "o", "")
	reader.InitDefaultHelpFlag()
	if err := reader.ParseFlags(args); err != nil {
		return formatText // it is the format that is wrong
	}
	return wanted
}

// misused makes a usage failure of an error found before the command ran.
func (c *cli) misused(cmd *cobra.Command, err error) error {
	if f := (*failure)(nil); errors.As(err, &f) {
		return f
	}
	return &failure{
		status:  exitUsage,
		code:    authz.CodeInvalid,
		message: strings.TrimSpace(err.Error()),
		fix:     "`" + cmd.CommandPath() + " --help` shows how it is called.",
		cause:   err,
	}
}

func (c *cli) lookupEnv(name string) (string, bool) {
	for i := len(c.environ) - 1; i >= 0; i-- {
		if value, ok := strings.CutPrefix(c.environ[i], name+"="); ok {
			return value, true
		}
	}
	return "", false
}

// config composes the configuration for cmd, from the flags it has.
func (c *cli) config(cmd *cobra.Command) (config.Loaded, error) {
	loaded, err := config.Load(config.Sources{
		File:      c.configPath(),
		LookupEnv: c.lookupEnv,
		LookupFlag: func(name string) (string, bool) {
			f := cmd.Flags().Lookup(name)
			if f == nil || !f.Changed {
				return "", false
			}
			return f.Value.String(), true
		},
	})
	if err != nil {
		fix := "`verdict help configuration` lists the keys, `verdict config check` shows where each value came from."
		if errors.As(err, new(*fs.PathError)) {
			fix = "Correct --config or $" + envConfig + ", or put the file there, readable by this user. Flags and variables do without one."
		}
		return loaded, &failure{
			status:  exitUsage,
			code:    authz.CodeInvalid,
			message: "the configuration cannot be used:\n" + indent(err.Error()),
			fix:     fix,
			cause:   err,
		}
	}
	return loaded, nil
}

func (c *cli) configPath() string {
	if c.configFile != "" {
		return c.configFile
	}
	path, _ := c.lookupEnv(envConfig)
	return path
}

func indent(text string) string {
	return "  " + strings.ReplaceAll(text, "\n", "\n  ")
}

// takes holds a command to between least and most arguments.
func takes(least, most int) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if least <= len(args) && len(args) <= most {
			return nil
		}
		wanted := "no argument"
		if _, names, ok := strings.Cut(cmd.Use, " "); ok {
			wanted = names
		}
		return fmt.Errorf("`%s` takes %s; it was given %s", cmd.CommandPath(), wanted, counted(args))
	}
}

func counted(args []string) string {
	switch len(args) {
	case 0:
		return "none"
	case 1:
		return fmt.Sprintf("%q", args[0])
	}
	return fmt.Sprintf("%d", len(args))
}
