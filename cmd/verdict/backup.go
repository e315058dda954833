package main

import (
	"context"
	"errors"
	"io"

	"github.com/spf13/cobra"

	"github.com/verdict-pdp/verdict/cmd/config"
	"github.com/verdict-pdp/verdict/cmd/daemon"
)

func newBackup(c *cli) *cobra.Command {
	var force bool
	cmd := &cobra.Command{
		Use:   "backup FILE",
		Short: "Copy all data of a running server to a file",
		Long: `Copy all data of a running server, as of one revision, to a file. The file appears
under its name only when it is whole and on disk. It holds the hashes of API keys
but no key, and is readable by its user only.`,
		Example: `  verdict backup /backup/verdict-monday
  verdict restore /backup/verdict-monday --data /var/lib/verdict-new`,
		Args: takes(1, 1),
	}
	cmd.Flags().BoolVar(&force, "force", false, "replace the file when it exists")
	to := toAdmin(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		pdp, err := c.dial(cmd, to)
		if err != nil {
			return err
		}
		bar := c.newProgress("backing up", -1)
		if err := c.download(cmd.Context(), pdp.Backup, args[0], force, bar, bar.bytesOnly()); err != nil {
			return err
		}
		return c.printFile(args[0])
	}
	return cmd
}

func newRestore(c *cli) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "restore FILE",
		Short: "Make a data directory from a backup",
		Long: `Make a data directory from a backup, without a server. The directory must hold no
data yet. It gets the data when the whole backup has been read and found undamaged;
on an error nothing is left there.

API keys of the backup are accepted again, but only their hashes are in it: bring
the files of keys/ along, they are not made anew.`,
		Example: `  verdict restore /backup/verdict-monday --data /var/lib/verdict-new`,
		Args:    takes(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			loaded, err := c.config(cmd)
			if err != nil {
				return err
			}
			return c.restore(cmd.Context(), args[0], loaded.Config)
		},
	}
	addDataFlag(cmd)
	return cmd
}

func (c *cli) restore(ctx context.Context, path string, cfg config.Config) error {
	data := cfg.Data
	source, total, err := c.openInput(path)
	if err != nil {
		return err
	}
	defer source.Close()
	bar := c.newProgress("restoring", total)
	err = daemon.RestoreOffline(ctx, cfg, io.TeeReader(&until{ctx, source}, bar.bytesOnly()), c.now, newLogger(cfg.Log, c.err))
	err = errors.Join(err, bar.done())
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil {
		return err
	}
	return c.printMade(map[string]string{"restored": data}, "restored into %s; serve it with `verdict serve --data %s`", data, data)
}

// until reads until its context ends.
type until struct {
	ctx context.Context
	r   io.Reader
}

func (u *until) Read(p []byte) (int, error) {
	if err := u.ctx.Err(); err != nil {
		return 0, err
	}
	return u.r.Read(p)
}
