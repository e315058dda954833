package main

import (
	"github.com/spf13/cobra"

	"github.com/verdict-pdp/verdict/bundles"
)

func newBundleBuild(c *cli) *cobra.Command {
	var file string
	var force bool
	cmd := &cobra.Command{
		Use:   "build DIR",
		Short: "Pack a policy folder into a bundle, without a server",
		Long: `Pack a policy folder, with its tests, its decision tables and .signatures.json if there
is one, into a bundle that this server and a plain opa load. The same files make the same bytes.
` + "`opa sign`" + ` makes signatures.`,
		Example: `  verdict bundle build ./acme -f acme.tar.gz`,
		Args:    takes(1, 1),
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]cobra.Completion, cobra.ShellCompDirective) {
			return nil, cobra.ShellCompDirectiveFilterDirs
		},
	}
	cmd.Flags().StringVarP(&file, "file", "f", "", "file to write (default: the name of the folder and .tar.gz)")
	cmd.Flags().BoolVar(&force, "force", false, "replace the file when it exists")
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		folder, err := policyFolder(args[0])
		if err != nil {
			return err
		}
		if file == "" {
			file = bundleNameOf(args[0]) + ".tar.gz"
		}
		p, err := bundles.ReadFolder(folder, bundles.Limits{})
		if err != nil {
			return notLoaded(args[0], folder, err)
		}
		return c.writeBundle(p, file, force)
	}
	return cmd
}

func (c *cli) writeBundle(p bundles.Package, file string, force bool) error {
	out, err := createOut(file, force)
	if err != nil {
		return err
	}
	if err := out.finish(string(p.Packed)); err != nil {
		return err
	}
	return c.printMade(map[string]any{"file": file, "bytes": len(p.Packed), "digest": p.Digest}, "%s: %s, %s", file, byteCount(int64(len(p.Packed))), p.Digest)
}
