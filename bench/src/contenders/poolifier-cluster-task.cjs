'use strict';
// What poolifier's process runs. CommonJS loads at once: it listens before the first message of the cluster's primary comes.
const { ClusterWorker } = require('poolifier');

new ClusterWorker((payload) => payload);
