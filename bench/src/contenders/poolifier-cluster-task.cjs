'use strict';
// What poolifier's process runs. CommonJS on purpose: an ES module listens too late for the first message of the cluster's
// primary on Node 20, and the pool never gets ready.
const { ClusterWorker } = require('poolifier');

new ClusterWorker((payload) => payload);
