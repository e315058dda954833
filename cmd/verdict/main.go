package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
	"time"
)

func main() {
	c := &cli{
		in: os.Stdin, out: os.Stdout, err: os.Stderr,
		environ: os.Environ(),
		now:     time.Now,
	}
	os.Exit(int(c.run(interruptible(), os.Args[1:])))
}

// interruption is the signal that ended a context.
type interruption struct{ os.Signal }

// Error names the signal.
func (i interruption) Error() string {
	if i.Signal == syscall.SIGTERM {
		return "SIGTERM"
	}
	return "SIGINT"
}

// interruptible is a context that ends at the first interrupt or SIGTERM, with an
// interruption as its cause. The
// second ends the process at once, with the status of a process it killed.
//
// Restoring the signals' default handling after the first would not do: that of
// a process a script started with & is to ignore interrupts.
func interruptible() context.Context {
	ctx, cancel := context.WithCancelCause(context.Background())
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() { // for as long as the process lives
		cancel(interruption{<-signals})
		os.Exit(killedBy(<-signals))
	}()
	return ctx
}

// killedBy is the status a shell reports for a process that sig killed.
func killedBy(sig os.Signal) int {
	if sig == syscall.SIGTERM {
		return 128 + int(syscall.SIGTERM)
	}
	return 128 + int(syscall.SIGINT)
}
