# Installs `way`, the command that starts your coding tools through @GATEWAY@.
# Everything goes into your user folders; no administrator is needed. `way uninstall` removes it.
$ErrorActionPreference = 'Stop'

function Install-Way {
    $gateway = '@GATEWAY@'
    $sha256 = '@SHA256@'

    $python = $null
    foreach ($candidate in @(@('py', '-3'), @('python3'), @('python'))) {
        $command = Get-Command $candidate[0] -ErrorAction SilentlyContinue
        if (-not $command) { continue }
        $arguments = @($candidate | Select-Object -Skip 1)
        # The Microsoft Store's stand-in for python prints an advertisement and fails; so the answer is looked at.
        $found = & $command.Source @arguments -I -c 'import sys; print(sys.executable if sys.version_info >= (3, 9) else "")' 2>$null
        if ($LASTEXITCODE -eq 0 -and $found) { $python = $found.Trim(); break }
    }
    if (-not $python) { throw 'way: Python 3.9 or newer is needed; install it from python.org and try again.' }

    $folder = Join-Path ([IO.Path]::GetTempPath()) ([Guid]::NewGuid().ToString())
    New-Item -ItemType Directory -Path $folder | Out-Null
    try {
        $archive = Join-Path $folder 'way.pyz'
        Invoke-WebRequest -UseBasicParsing -TimeoutSec 120 -Uri "$gateway/install/way.pyz" -OutFile $archive
        $digest = (Get-FileHash -Algorithm SHA256 -Path $archive).Hash.ToLowerInvariant()
        if ($digest -ne $sha256) {
            throw 'way: the download is not what the gateway announced; try again, and tell its operator if it stays so.'
        }
        & $python -I $archive self-install --gateway $gateway
        if ($LASTEXITCODE -ne 0) { throw 'way: the installation did not finish.' }
        $bin = Join-Path $env:LOCALAPPDATA 'way\bin'
        $path = [Environment]::GetEnvironmentVariable('Path', 'User')
        if (($path -split ';') -notcontains $bin) {
            [Environment]::SetEnvironmentVariable('Path', "$path;$bin", 'User')
            $env:Path = "$env:Path;$bin"
            Write-Output "Added $bin to your Path."
        }
    }
    finally {
        Remove-Item -Recurse -Force $folder
    }
}

Install-Way
