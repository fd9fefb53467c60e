#!/bin/sh
# Trains an ensemble as a Slurm job array on this machine, cancels it in the middle and submits it again.
#
#     tests/slurm.sh [FIREBRICK]
#
# FIREBRICK is the program to test, target/release/firebrick by default. Slurm runs on this machine alone, in a
# temporary directory, as the present user, and is stopped at the end.
set -eu

firebrick=$(realpath "${1:-target/release/firebrick}")
for program in munged slurmctld slurmd sbatch squeue scancel; do
    if ! command -v "$program" > /dev/null; then
        echo "SKIPPED: $program is not installed, so no job array was run (Debian: apt install slurm-wlm munge)"
        exit 0
    fi
done

at=$(mktemp -d)
chmod 755 "$at"
mkdir "$at/state" "$at/spool"
export SLURM_CONF="$at/slurm.conf"
host=$(hostname -s)
user=$(id -un)
cat > "$SLURM_CONF" << END
ClusterName=test
SlurmctldHost=$host(127.0.0.1)
AuthType=auth/munge
AuthInfo=socket=$at/munge.socket
CredType=cred/munge
SlurmUser=$user
SlurmdUser=$user
StateSaveLocation=$at/state
SlurmdSpoolDir=$at/spool
SlurmctldPidFile=$at/slurmctld.pid
SlurmdPidFile=$at/slurmd.pid
SlurmctldLogFile=$at/slurmctld.log
SlurmdLogFile=$at/slurmd.log
SlurmctldPort=46817
SlurmdPort=46818
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SwitchType=switch/none
MpiDefault=none
ReturnToService=2
NodeName=$host NodeAddr=127.0.0.1 CPUs=$(nproc) State=UNKNOWN
PartitionName=all Nodes=ALL Default=YES MaxTime=INFINITE State=UP
END

stop() {
    scancel --full --user "$user" 2> /dev/null || true
    for daemon in slurmd slurmctld munge; do
        [ -f "$at/$daemon.pid" ] && kill "$(cat "$at/$daemon.pid")" 2> /dev/null || true
    done
    sleep 1
    rm -rf "$at"
}
trap stop EXIT

dd if=/dev/urandom of="$at/munge.key" bs=128 count=1 2> /dev/null
chmod 400 "$at/munge.key"
munged --force --key-file="$at/munge.key" --socket="$at/munge.socket" --pid-file="$at/munge.pid" \
    --log-file="$at/munge.log" --seed-file="$at/munge.seed"
slurmctld
slurmd

cd "$at"
cat > small.toml << 'END'
dataset = "glyphs(train=540, test=54)"
model = "small_cnn(width=2)"
optimizer = "sgd(lr=0.1, momentum=0.9)"
epochs = 6
batch_size = 32
checkpoint_every = 1
END
cat > array.sh << END
#!/bin/sh
#SBATCH --array=1-4
#SBATCH --cpus-per-task=1
#SBATCH --output=$at/job-%a.log
exec $firebrick ensemble train small.toml --members 4 --out four --quiet
END

# Waits until a condition holds, two minutes at most.
wait_for() {
    tries=0
    until eval "$1"; do
        tries=$((tries + 1))
        if [ $tries -gt 600 ]; then
            echo "FAILED: waited in vain for: $1"
            tail -n 20 ./*.log
            exit 1
        fi
        sleep 0.2
    done
}

# What one process does without Slurm.
"$firebrick" ensemble train small.toml --members 4 --out alone --quiet

sbatch array.sh
wait_for 'ls four/member-*/checkpoints/step-* > /dev/null 2>&1'
scancel --full --signal=KILL --user "$user"
wait_for '[ -z "$(squeue --noheader)" ]'
"$firebrick" ensemble status four
sbatch array.sh
wait_for '[ -z "$(squeue --noheader)" ]'
"$firebrick" ensemble status four
for member in 1 2 3 4; do
    cmp "four/member-$member/model.safetensors" "alone/member-$member/model.safetensors"
done
echo "PASSED: a job array that was killed and submitted again trained the same 4 members as one process"
