package main

import (
	"context"
	"errors"
	"io"

	"github.com/spf13/cobra"

	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/client"
	"github.com/verdict-pdp/verdict/decisionlog"
	"github.com/verdict-pdp/verdict/ijson"
)

func newDecisionsVerify(c *cli) *cobra.Command {
	var file string
	cmd := &cobra.Command{
		Use:   "verify",
		Short: "Check that no record was altered or is missing",
		Long: `Check the chain of hashes that records hang together in: that none was altered, and
none is missing between the first and the last. Records that were lost while they were
recorded are told too; that is no fault of the chain. With --file an export is checked,
without a server: one of the whole log, since filters leave gaps.

Changes may be withheld from an export, and those that are no longer kept are withheld by
the log itself. There is no more of them than their place: their number must fit, and how
many they are is told. A decision can be hidden as one when every change after it is
withheld too, and numbered anew; an export for the role review has whole all that are kept.

Keep the head that is printed somewhere else, to find out later whether the end of the
log was cut off.`,
		Example: `  verdict decisions verify
  verdict decisions export | verdict decisions verify --file -`,
		Args:              takes(0, 0),
		ValidArgsFunction: cobra.NoFileCompletions,
	}
	cmd.Flags().StringVarP(&file, "file", "f", "", "check this export instead, - for standard input")
	to := toAdmin(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if file != "" {
			return c.verifyFile(file)
		}
		pdp, err := c.dial(cmd, to)
		if err != nil {
			return err
		}
		verify := withSpinner(c, "verifying", func(ctx context.Context, pdp *client.Client) (authz.VerifyReport, error) {
			return pdp.VerifyDecisions(ctx)
		})
		found, raw, err := withAnswer(cmd.Context(), func(ctx context.Context) (authz.VerifyReport, error) { return verify(ctx, pdp) })
		if err != nil {
			return aboutDecisions(err)
		}
		return c.printVerified(&found, raw, false)
	}
	return cmd
}

func (c *cli) verifyFile(path string) error {
	source, size, err := c.openInput(path)
	if err != nil {
		return err
	}
	defer source.Close()
	bar := c.newProgress("verifying", size)
	found, err := decisionlog.VerifyLines(io.TeeReader(source, bar))
	if err := errors.Join(err, bar.done()); err != nil {
		return err
	}
	if found.OK && found.Records == 0 {
		return &failure{status: exitError, code: authz.CodeInvalid, message: inputName(path) + " holds no records, so nothing is proved",
			fix: "Name a file that `verdict decisions export` wrote."}
	}
	document, err := ijson.Marshal(found)
	if err != nil {
		return err
	}
	return c.printVerified(&found, document, true)
}

// printVerified prints a report, of an export or of a log, and ends with exitError when
// the chain does not hold.
func (c *cli) printVerified(found *authz.VerifyReport, document []byte, exported bool) error {
	if err := c.print(document, func(w io.Writer) error { return writeVerifyReport(w, found, exported) }); err != nil || found.OK {
		return err
	}
	if c.output == formatJSON {
		return silent(exitError)
	}
	return &failure{status: exitError, code: authz.CodeConflict, message: "the decision log is not whole: " + plural(uint64(len(found.Problems))+found.MoreProblems, "problem", "problems"),
		fix: "Compare it with what was exported or sent to a sink before: the records named above were altered or removed."}
}

// writeVerifyReport prints a report. exported reports that it is about an export.
func writeVerifyReport(w io.Writer, found *authz.VerifyReport, exported bool) error {
	r := &report{w: w}
	for _, problem := range found.Problems {
		r.line("%s", problem)
	}
	if found.MoreProblems > 0 {
		r.line("and %s more", grouped(found.MoreProblems))
	}
	verdict := "whole"
	switch {
	case !found.OK:
		verdict = "not whole"
	case found.Withheld > 0:
		verdict = "whole but for " + plural(found.Withheld, "withheld change", "withheld changes")
	}
	r.line("%s: %s, from %d to %d", verdict, plural(found.Records, "record", "records"), found.From, found.To)
	if found.Lost > 0 {
		r.line("  %s could not be recorded when they were made, which the log says itself", plural(found.Lost, "decision", "decisions"))
	}
	if found.Changes > 0 {
		r.line("  %s of changes, from %d to %d", plural(found.Changes, "record", "records"), found.ChangesFrom, found.ChangesTo)
	}
	if found.Withheld > 0 {
		r.line("  %s of changes withheld, the last with number %d: what is in them is not here to be checked", plural(found.Withheld, "record", "records"), found.WithheldTo)
	}
	if found.LeftOut > 0 {
		r.line("  of these, %s no place of their own any more: one stands for each run of them", plural(found.LeftOut, "record has", "records have"))
	}
	if found.Withheld > 0 && exported {
		r.line("  that they are changes, and no decisions, is what the export says; one for the role review has whole those that are kept")
	}
	if found.HeadHash != "" {
		r.line("  head %s", found.HeadHash)
	}
	return r.err
}
