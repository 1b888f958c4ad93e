#!/bin/sh
# A scan on a SLURM cluster, without Ray: an array of parts, then one job that writes the output.
#
#   sh slurm-array.sh genome.fa hits.bed 100
#
# Genome and output lie on a file system that all machines see. Parts work side by side in the run
# directory beside the output (hits.bed.premir-work). Submit the script again after failures: what
# is done is not done again, and --finalise names the parts that are still missing.
set -eu

if [ "$#" -ne 3 ]; then
    echo "usage: sh slurm-array.sh GENOME OUT PARTS" >&2
    exit 2
fi
genome=$1 out=$2 parts=$3

if [ -n "${SLURM_ARRAY_TASK_ID:-}" ]; then
    exec premir-scan "$genome" --out "$out" --threads "${SLURM_CPUS_PER_TASK:-1}" \
        --part "$SLURM_ARRAY_TASK_ID/$parts"
fi
array=$(sbatch --parsable --job-name=premir --array="1-$parts" --cpus-per-task=4 --mem=4G \
    --time=12:00:00 "$0" "$genome" "$out" "$parts")
sbatch --job-name=premir-finalise --dependency="afterok:$array" --cpus-per-task=4 --mem=8G \
    --time=12:00:00 --wrap="premir-scan '$genome' --out '$out' --threads 4 --finalise"
