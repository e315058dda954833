package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/verdict-pdp/verdict/api"
	"github.com/verdict-pdp/verdict/authz"
)

// shownErrors is how many bad lines of an import are printed.
const shownErrors = 20

func newImport(c *cli) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "import FILE",
		Short: "Write many entities from a file",
		Long: `Write the entities of a file, or with - of standard input: one JSON object a line,

  {"collection":"users","entity":{"id":"u-ana","tenant":"acme-logistics"}}

which is what export writes. An entity that is there already as it stands is left
alone, so an import may be repeated. Good lines are written even when others are
not; each bad line is told by its number, and the command then exits with 1.`,
		Example: `  verdict import entities.ndjson
  verdict export --server http://old:8182 --key-file old.key | verdict import -`,
		Args: takes(1, 1),
	}
	to := toAdmin(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		pdp, err := c.dial(cmd, to)
		if err != nil {
			return err
		}
		source, total, err := c.openInput(args[0])
		if err != nil {
			return err
		}
		defer source.Close()
		bar := c.newProgress("importing", total)
		result, raw, err := withAnswer(cmd.Context(), func(ctx context.Context) (api.ImportReport, error) {
			return pdp.Import(ctx, io.TeeReader(source, bar))
		})
		if err := errors.Join(err, bar.done()); err != nil {
			return err
		}
		return c.printImport(result, raw)
	}
	return cmd
}

// openInput opens a file, or standard input for "-". The size is -1 when it is
// not known.
func (c *cli) openInput(path string) (io.ReadCloser, int64, error) {
	if path == "-" {
		return io.NopCloser(c.in), -1, nil
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, 0, usage("opening "+inputName(path)+": "+reason(err), "Check the path, or use - to read from standard input.")
	}
	info, err := file.Stat()
	if err != nil || !info.Mode().IsRegular() {
		return file, -1, nil
	}
	return file, info.Size(), nil
}

func (c *cli) printImport(result api.ImportReport, answer []byte) error {
	if err := c.print(answer, func(w io.Writer) error { return writeImportReport(w, result) }); err != nil {
		return err
	}
	if result.Failed == 0 {
		return nil
	}
	if c.output == formatJSON {
		return silent(exitError)
	}
	return &failure{status: exitError, code: authz.CodeInvalid, message: fmt.Sprintf("%d of %d lines were not written", result.Failed, result.Lines),
		fix: "Correct them and import the file again: lines that were written are left as they are."}
}

func writeImportReport(w io.Writer, i api.ImportReport) error {
	r := &report{w: w}
	for n, bad := range i.Errors {
		if n == shownErrors {
			break
		}
		message := bad.Message
		if bad.Field != "" {
			message = bad.Field + " " + message
		}
		r.line("line %d: %s", bad.Line, message)
	}
	if more := i.Failed - min(len(i.Errors), shownErrors); more > 0 {
		r.line("and %d more", more)
	}
	r.line("%d lines: %d written, %d unchanged, %d failed; data revision %d", i.Lines, i.Written, i.Unchanged, i.Failed, i.Revision)
	return r.err
}

func newExport(c *cli) *cobra.Command {
	var collections []string
	var force bool
	cmd := &cobra.Command{
		Use:   "export [FILE]",
		Short: "Read all entities, as import takes them",
		Long: `Write every entity of one revision to a file, or to standard output: one JSON object
a line, in the order an import wants them. API keys are not exported; a backup has
everything.`,
		Example: `  verdict export entities.ndjson
  verdict export --collection edges --collection services`,
		Args: takes(0, 1),
	}
	cmd.Flags().StringArrayVar(&collections, "collection", nil, "only this collection (repeatable)")
	cmd.Flags().BoolVar(&force, "force", false, "replace the file when it exists")
	complete(cmd, "collection", collectionNames()...)
	to := toAdmin(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		var selected []authz.Collection
		for _, name := range collections {
			collection, err := parseCollection(name)
			if err != nil {
				return err
			}
			selected = append(selected, collection)
		}
		pdp, err := c.dial(cmd, to)
		if err != nil {
			return err
		}
		export := func(ctx context.Context, w io.Writer) error { return pdp.Export(ctx, w, selected...) }
		if len(args) == 0 || args[0] == "-" {
			return export(cmd.Context(), c.out)
		}
		bar := c.newProgress("exporting", -1)
		return c.download(cmd.Context(), export, args[0], force, bar, bar)
	}
	return cmd
}

// download has fetch fill a new file at path, shown by bar, which count feeds.
func (c *cli) download(ctx context.Context, fetch func(context.Context, io.Writer) error, path string, force bool, bar *progress, count io.Writer) error {
	file, err := createOut(path, force)
	if err != nil {
		return err
	}
	err = fetch(ctx, io.MultiWriter(file, count))
	if err := errors.Join(err, bar.done()); err != nil {
		return file.abort(err)
	}
	return file.commit()
}
