// Plain Node that says it is there and stays: how long the machine takes to start and to end a process with nothing in it.
process.send?.('ready');
process.once('disconnect', () => process.exit(0));
